//! Selections over heads.
