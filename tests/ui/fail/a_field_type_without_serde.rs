#[derive(Clone, Debug)]
struct Place;

#[karat::signature]
struct Qa {
    #[input]
    place: Place,
    #[output]
    answer: String,
}

fn main() {}
