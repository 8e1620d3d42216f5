"""Evidence for StyleExpert: images in unseen styles."""
