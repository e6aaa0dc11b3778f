"""The pages as values: path, title and finished text. Of the disk, only templates are read."""

from generator.pages.framed import fill_frame
from generator.pages.markup import Page, card_path, keep_compiled_templates
from generator.pages.menu.run_pages import run_html
from generator.pages.method_proof import PROOF_MARKER, make_proof
from generator.pages.search_index import complete_index
from generator.pages.site_map import Site, make_site
from generator.pages.terms import with_terms_explained
from generator.pages.view import run_path
