//! The target kind `http`.
