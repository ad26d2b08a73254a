//! The project keeps its own rules: layers, tidiness, and a README that tells the truth.

mod layering;
mod readme;
mod sources;
mod tidy;
