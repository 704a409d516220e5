//! Fallback: another model is asked when one fails.
