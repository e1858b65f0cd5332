"""Who makes vectors of texts: an OpenAI-compatible endpoint or a model of this machine if named, nobody by default."""
