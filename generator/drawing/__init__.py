"""Drawings made at build time as SVG: plain values in, a picture out.

A drawing needs no script, prints, follows the palette of the page, and is read as text. Charts that gain from
interaction are those of `generator.charts`.
"""

from generator.drawing.dots import DotRow, draw_dots
from generator.drawing.multiples import Panel, draw_multiples
from generator.drawing.ratios import RatioGroup, RatioOutcome, RatioRow, draw_ratios
from generator.drawing.scatter import ScatterPoint, draw_scatter
from generator.drawing.shapes import NARROW_PX, WIDE_PX, Picture
from generator.drawing.sparkline import draw_sparkline
from generator.drawing.strips import Strip, draw_strips

__all__ = [
    "NARROW_PX",
    "WIDE_PX",
    "DotRow",
    "Panel",
    "Picture",
    "RatioGroup",
    "RatioOutcome",
    "RatioRow",
    "ScatterPoint",
    "Strip",
    "draw_dots",
    "draw_multiples",
    "draw_ratios",
    "draw_scatter",
    "draw_sparkline",
    "draw_strips",
]
