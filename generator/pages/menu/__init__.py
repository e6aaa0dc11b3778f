"""The pages of the site: one module for each entry of the menu, which it declares as ``ENTRY``.

A page is its module here and its template in ``generator/templates``. `generator.pages.site_map` finds the modules.
"""
