//! Nothing: this package only locks the one whose sources `scripts/fake-verbs.js` compiles JACCL of.
