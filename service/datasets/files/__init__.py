"""Files as tables: each format has a module, and a process of its own reads them under limits."""
