"""The store on disk: runs, their journal, and the memory that all runs share."""
