//! Values, places and complaints of the parser.
