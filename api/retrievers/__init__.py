"""Our retrieval as retrievers of other libraries, each in a module that needs that library."""
