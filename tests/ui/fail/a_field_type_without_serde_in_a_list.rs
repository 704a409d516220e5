#[derive(Clone, Debug)]
struct Place;

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    places: Vec<Option<Place>>,
}

fn main() {}
