"""Who puts the best hits of a search in order: an endpoint that speaks `/rerank` if named, nobody by default."""
