"""Background work: claim jobs, run their flow, decide what comes next; listen to the State."""
