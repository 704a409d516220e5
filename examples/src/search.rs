//! A tiny search: facts in memory, found by the words that they share with a query.

/// The facts.
const FACTS: &[&str] = &[
    "The Danube flows through ten countries, more than any other river in the world.",
    "Mount Kilimanjaro in Tanzania is 5,895 metres high, the highest mountain in Africa.",
    "An octopus has three hearts, and its blood is blue.",
    "The Eiffel Tower in Paris was finished in 1889 by the company of Gustave Eiffel.",
    "Marie Curie discovered the elements polonium and radium in 1898.",
    "Pure gold is 24 karat, and 18 karat gold is three quarters gold.",
    "Honey bees dance to tell the others where the flowers are.",
    "Ada Lovelace published the first computer program in 1843.",
    "The blue whale is the largest animal on Earth, and its heart weighs about 180 kilograms.",
    "Reykjavik, the capital of Iceland, is the northernmost capital of a country.",
    "Light from the Sun needs about eight minutes to reach the Earth.",
    "Lake Baikal in Siberia is the deepest lake in the world, 1,642 metres deep.",
    "Alexander Fleming discovered penicillin in London in 1928.",
    "The first book printed in Europe with movable type was the Gutenberg Bible.",
    "Rust was started by Graydon Hoare in 2006 and named after a fungus.",
    "The Great Wall of China is about 21,000 kilometres long.",
];

/// Words too common to search for.
const COMMON: &[&str] = &[
    "a", "an", "and", "are", "at", "by", "did", "do", "does", "for", "from", "how", "in", "is", "it", "many",
    "of", "on", "that", "the", "to", "was", "what", "which", "who", "with",
];

/// The fact that shares the most words with the query; none if no word is shared.
pub fn search(query: &str) -> Option<&'static str> {
    let wanted = words(query);
    let shared = |fact: &str| words(fact).iter().filter(|word| wanted.contains(word)).count();
    // Of equal ones the first: `max_by_key` would take the last.
    FACTS.iter().rev().copied().max_by_key(|fact| shared(fact)).filter(|fact| shared(fact) > 0)
}

/// The uncommon words of a text, by their first five letters, so that `discover` finds `discovered`.
pub fn words(text: &str) -> Vec<String> {
    let words =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase);
    words.filter(|word| !COMMON.contains(&word.as_str())).map(|word| word.chars().take(5).collect()).collect()
}
