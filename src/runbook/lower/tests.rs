//! Placeholder until the corpus.
