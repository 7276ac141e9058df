"""One function per operation: gather facts, ask the domain, write everything in one transaction."""
