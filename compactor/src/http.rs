//! Shows the plan, running jobs and what was put aside, for people and for the web interface.
//!
//! Empty until there is a plan to show.
