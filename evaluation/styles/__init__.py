"""Evidence for StyleExpert: pictures in unseen styles."""
