"""Who makes vectors of texts: an OpenAI-compatible endpoint where one is named, nobody by default."""
