"""What sources of SQL databases share: ranges, the watermark, views, conditions, comparable text."""
