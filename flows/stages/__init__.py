"""Floor 2: the five stages of a run, one module each, over the contracts. No Prefect here."""
