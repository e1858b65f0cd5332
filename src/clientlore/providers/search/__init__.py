"""Sources of news: RSS and Atom, and the one that makes news up."""
