"""Documents become records: found, converted where they can do no harm, cut along their structure, kept."""
