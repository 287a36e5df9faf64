"""The backends: one module per framework, imported only when the framework is in use."""
