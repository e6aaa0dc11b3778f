"""The pages as values: path, title and finished text. Nothing here touches the disk but the templates."""

from generator.pages.markup import Page
from generator.pages.proof import PROOF_MARKER, make_proof
from generator.pages.sitemap import Site, make_site
from generator.pages.view import run_path

__all__ = ["PROOF_MARKER", "Page", "Site", "make_proof", "make_site", "run_path"]
