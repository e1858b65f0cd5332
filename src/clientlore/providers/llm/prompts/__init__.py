"""What models are told: one file for each prompt and version. A file that was used is never changed; a copy is."""
