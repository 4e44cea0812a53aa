"""The database, who is alive, and the runs."""
