//! Panics, null pointers, lengths, calls that come while another one runs.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::{null, null_mut};

use crate::arguments::{Wrong, array};
use crate::handle::{enter, run};
use crate::sealmq_status::*;
use crate::*;

fn last_error() -> String {
    let text = unsafe { CStr::from_ptr(sealmq_last_error()) };
    text.to_str().unwrap().to_owned()
}

const fn name(text: &CStr) -> *const c_char {
    text.as_ptr()
}

unsafe extern "C" fn load_nothing(_: *mut c_void, _: *mut sealmq_loader) -> c_int {
    0
}

unsafe extern "C" fn load_fails(_: *mut c_void, _: *mut sealmq_loader) -> c_int {
    7
}

unsafe extern "C" fn commit_nowhere(_: *mut c_void, _: *const sealmq_change, _: usize) -> c_int {
    0
}

const EMPTY: sealmq_store = sealmq_store {
    context: null_mut(),
    load: Some(load_nothing),
    commit: Some(commit_nowhere),
};

const KEY: [u8; 32] = [
    0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
];

fn by_approval(store: &sealmq_store) -> sealmq_join_options {
    sealmq_join_options {
        store,
        platform: null(),
        name: name(c"sensor"),
        token: null(),
        root_key: KEY.as_ptr(),
        prefix: null(),
        serial: 0,
        packages: 0,
    }
}

fn joining(options: &sealmq_join_options) -> (sealmq_status, *mut sealmq_joining) {
    let mut handle = null_mut();
    let status = unsafe { sealmq_joining_begin(options, &raw mut handle) };
    (status, handle)
}

#[test]
fn a_panic_stays_inside_and_ends_the_handle() {
    assert_eq!(run(|| panic!("on purpose")), SEALMQ_ERROR_BUG);
    assert_eq!(last_error(), "on purpose");

    let (status, mut handle) = joining(&by_approval(&EMPTY));
    assert_eq!(status, SEALMQ_OK, "{}", last_error());
    let status = unsafe { enter(handle, |_| panic!("on purpose, in a handle")) };
    assert_eq!(status, SEALMQ_ERROR_BUG);
    assert_eq!(
        unsafe { sealmq_joining_tick(handle) },
        SEALMQ_ERROR_POISONED
    );
    assert!(last_error().contains("free it"));
    assert_eq!(unsafe { sealmq_joining_free(&raw mut handle) }, SEALMQ_OK);
    assert!(handle.is_null());
    assert_eq!(unsafe { sealmq_joining_free(&raw mut handle) }, SEALMQ_OK);
    assert_eq!(unsafe { sealmq_joining_free(null_mut()) }, SEALMQ_OK);
}

#[test]
fn null_is_told_by_name() {
    let (status, mut handle) = joining(&by_approval(&EMPTY));
    assert_eq!(status, SEALMQ_OK);
    let null_texts = |status: sealmq_status, what: &str| {
        assert_eq!(status, SEALMQ_ERROR_NULL, "{what}");
        assert!(last_error().contains(what), "{}", last_error());
    };
    unsafe {
        null_texts(sealmq_client_tick(null_mut()), "handle");
        null_texts(sealmq_member_connected(null_mut()), "handle");
        null_texts(sealmq_joining_poll(handle, null_mut()), "output");
        null_texts(sealmq_joining_timeout(handle, null_mut()), "milliseconds");
        null_texts(sealmq_joining_received(handle, null(), null(), 0), "topic");
        let topic = name(c"a/b");
        null_texts(sealmq_joining_received(handle, topic, null(), 1), "payload");
        null_texts(sealmq_joining_begin(null(), &raw mut handle), "options");
        assert!(handle.is_null(), "set first");
        null_texts(sealmq_client_open(null(), null_mut()), "client");
        null_texts(sealmq_loader_add(null_mut(), topic, null(), 0), "loader");
    }
    let without = sealmq_store {
        commit: None,
        ..EMPTY
    };
    null_texts(joining(&by_approval(&without)).0, "store.commit");
    let without = sealmq_join_options {
        root_key: null(),
        ..by_approval(&EMPTY)
    };
    null_texts(joining(&without).0, "root_key");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let options = |name| sealmq_join_options {
        name,
        ..by_approval(&EMPTY)
    };
    for bad in [c"", c"a name", c"\xff"] {
        let (status, handle) = joining(&options(bad.as_ptr()));
        assert_eq!(
            (status, handle),
            (SEALMQ_ERROR_ARGUMENT, null_mut()),
            "{bad:?}"
        );
    }
    let token = sealmq_join_options {
        token: name(c"sealmq:join/none"),
        ..by_approval(&EMPTY)
    };
    assert_eq!(joining(&token).0, SEALMQ_ERROR_ARGUMENT);
    let packages = sealmq_join_options {
        packages: 65,
        ..by_approval(&EMPTY)
    };
    assert_eq!(joining(&packages).0, SEALMQ_ERROR_ARGUMENT);
    let fails = sealmq_store {
        load: Some(load_fails),
        ..EMPTY
    };
    assert_eq!(joining(&by_approval(&fails)).0, SEALMQ_ERROR_STORE);
    assert!(last_error().contains("returned 7"), "{}", last_error());

    let bytes = [0_u32; 2];
    let odd = bytes.as_ptr().cast::<u8>().wrapping_add(1).cast::<u32>();
    unsafe {
        let status = |result: Result<_, Wrong>| result.err().map(|wrong| wrong.status);
        assert_eq!(status(array(odd, 1, "x")), Some(SEALMQ_ERROR_ARGUMENT));
        let most = usize::MAX / 4;
        assert_eq!(
            status(array(bytes.as_ptr(), most, "x")),
            Some(SEALMQ_ERROR_ARGUMENT)
        );
        assert_eq!(status(array::<u32>(null(), 0, "x")), None);
    }
}

/// Of a callback that calls back.
struct Caller {
    handle: *mut sealmq_joining,
    said: Vec<sealmq_status>,
}

unsafe extern "C" fn calls_back(context: *mut c_void, now: *mut sealmq_time) {
    let caller = unsafe { &mut *context.cast::<Caller>() };
    if !caller.handle.is_null() {
        let mut handle = caller.handle;
        caller.said.push(unsafe { sealmq_joining_tick(handle) });
        caller
            .said
            .push(unsafe { sealmq_joining_free(&raw mut handle) });
        assert!(!handle.is_null());
    }
    unsafe { (*now).uptime_ms = 1 };
}

#[test]
fn a_callback_does_not_use_its_handle() {
    let mut caller = Caller {
        handle: null_mut(),
        said: Vec::new(),
    };
    let platform = sealmq_platform {
        context: (&raw mut caller).cast(),
        now: Some(calls_back),
        random: None,
    };
    let options = sealmq_join_options {
        platform: &platform,
        ..by_approval(&EMPTY)
    };
    let (status, mut handle) = joining(&options);
    assert_eq!(status, SEALMQ_OK);
    caller.handle = handle;
    assert_eq!(unsafe { sealmq_joining_tick(handle) }, SEALMQ_OK);
    assert_eq!(caller.said, [SEALMQ_ERROR_IN_USE; 2]);
    assert_eq!(unsafe { sealmq_joining_free(&raw mut handle) }, SEALMQ_OK);
}

unsafe extern "C" fn no_random(_: *mut c_void, _: *mut u8, _: usize) -> c_int {
    1
}

#[test]
fn without_randomness_there_is_no_key() {
    let platform = sealmq_platform {
        context: null_mut(),
        now: None,
        random: Some(no_random),
    };
    let options = sealmq_join_options {
        platform: &platform,
        ..by_approval(&EMPTY)
    };
    assert_eq!(joining(&options).0, SEALMQ_ERROR_RANDOM);
}

#[test]
fn every_status_has_a_text() {
    let text = |status: i32| unsafe { CStr::from_ptr(sealmq_strerror(status)) };
    for status in SEALMQ_OK as i32..=SEALMQ_ERROR_BUG as i32 {
        assert_ne!(text(status), c"unknown", "{status}");
    }
    for status in [-1, SEALMQ_ERROR_BUG as i32 + 1, i32::MAX] {
        assert_eq!(text(status), c"unknown", "{status}");
    }
}

#[test]
fn a_handle_may_wander_from_thread_to_thread() {
    const fn wanders<T: Send>() {}
    wanders::<::sealmq_client::Client>();
    wanders::<::sealmq_client::Joining>();
    wanders::<sealmq_keys::member::Member>();
}
