"""The command `guildhall`."""
