//! `sealmq demo`: the main job on real input, checked.

mod attacks;
mod cast;
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
mod verify;

pub(crate) use run::run;
