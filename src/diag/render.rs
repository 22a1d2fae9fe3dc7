//! Diagnostics as text for people and tools.
