//! Laws and pictures of the head.
