//! `envelope.json`: sealing, opening, gaps, session numbers.

mod body;
mod case;
mod connections;
mod devices;
mod header;
mod numbers;
mod open;
mod readings;
mod replay;
mod scene;
mod seal;
mod seal_faults;
mod sender;
mod short;
mod signature;
mod state;
mod time;

use crate::vectors::prelude::*;

/// The file's text.
pub(crate) fn file() -> String {
    let mut file = VectorFile::default();
    let scene = scene::Scene::new();
    scene.fixtures(&mut file);
    seal::vectors(&scene, &mut file);
    seal_faults::vectors(&scene, &mut file);
    open::vectors(&scene, &mut file);
    header::vectors(&scene, &mut file);
    body::vectors(&scene, &mut file);
    sender::vectors(&scene, &mut file);
    time::vectors(&scene, &mut file);
    replay::vectors(&scene, &mut file);
    state::vectors(&scene, &mut file);
    signature::vectors(&scene, &mut file);
    short::vectors(&scene, &mut file);
    readings::vectors(&scene, &mut file);
    numbers::vectors(&mut file);
    connections::vectors(&mut file);
    devices::vectors(&mut file);
    file.into_text()
}
