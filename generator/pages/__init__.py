"""The pages as values: path, title and finished text. Nothing here touches the disk but the templates."""

from generator.pages.markup import Page
from generator.pages.sitemap import Site, make_site

__all__ = ["Page", "Site", "make_site"]
