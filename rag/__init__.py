"""Understanding: retrieval, models, citations and the catalog they rest on."""
