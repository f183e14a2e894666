//! Settings: concurrent jobs, memory a job, size of files, the grace before deletion.
//!
//! Empty until there is something to set.
