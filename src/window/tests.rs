//! Promises of the window.
