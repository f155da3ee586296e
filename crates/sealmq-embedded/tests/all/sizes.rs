use sealmq_embedded::Device;

#[test]
fn what_a_setting_takes() {
    let base = size_of::<Device<1, 1, 1, 1, 512>>();
    let each = [
        ("group", size_of::<Device<2, 1, 1, 1, 512>>()),
        ("sender", size_of::<Device<1, 2, 1, 1, 512>>()),
        ("topic", size_of::<Device<1, 1, 2, 1, 512>>()),
        ("session", size_of::<Device<1, 1, 1, 2, 512>>()),
        ("512 B of object", size_of::<Device<1, 1, 1, 1, 1024>>()),
    ];
    println!("one of each, objects of 512 B: {base}");
    for (name, size) in each {
        println!("one more {name}: {}", size - base);
    }
    let usual = size_of::<Device<1, 4, 8, 4, 512>>();
    println!("1 group, 4 senders, 8 topics, 4 sessions, 512 B: {usual}");
    // Other crates of this build bring suite 2, whose keys have 1.2 KB: a device has less.
    assert!(usual <= 28 * 1024);
}
