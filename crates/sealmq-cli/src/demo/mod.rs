//! `sealmq demo`: the main job on real input, checked.

mod attacks;
mod checks;
mod domain;
mod input;
mod leak;
mod node;
mod outsider;
mod report;
mod run;
mod states;
mod table;

pub(crate) use run::run;
