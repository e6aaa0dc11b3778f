"""Load from several hosts, on an existing Dask cluster. Nothing else imports Dask, which is an optional extra."""
