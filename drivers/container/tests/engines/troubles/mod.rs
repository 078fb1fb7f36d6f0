//! What users read when something is wrong with an engine, and what is left behind then.

mod disk;
mod engine;
mod image;
