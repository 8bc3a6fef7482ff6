"""Floor 3: Prefect. Flows, tasks, blocks and artifacts over the stages, which know nothing of it."""
