"""The pages of the site. Each module declares one entry of the menu as ``ENTRY``.

A page consists of its module here and its template in ``generator/templates``.
`generator.pages.site_map` finds the modules.
"""
