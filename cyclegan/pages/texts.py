"""Every sentence that a visitor reads, in one place."""

TITLE = "CycleGAN and pix2pix"
INTRO_ONE = "A neural network that turns one kind of picture into another."
INTRO_MANY = "Neural networks that turn one kind of picture into another, side by side."
METHOD_INTROS = {
    "cyclegan": "**CycleGAN** learned from two piles of pictures that do not belong together.",
    "pix2pix": "**pix2pix** learned from matching pairs.",
}
INTRO_EXAMPLES = "Click an example or bring your own picture."
INTRO_OWN = "Bring your own picture."
NOISE_INTRO = "A neural network that learned to make pictures out of noise: here always out of the same noise."

YOUR_PICTURE = "Your picture"
YOUR_PICTURE_ALT = "The picture that is translated"
UPLOAD_PLACEHOLDER = "Drop a picture here\n- or -\nClick to choose one"
DIRECTION = "Direction"
EXAMPLES = "Examples"
TRANSLATE_BUTTON = "Translate"
EPOCH = "Epoch of training"
NEWEST_EPOCH = "Last epoch"
AT_EPOCH = "Epoch {epoch}"

TRANSLATE_TAB = "Translate"
WATCH_TAB = "Watch it learn"

METHOD_NAMES = {"cyclegan": "CycleGAN", "pix2pix": "pix2pix", "gan": "Basic GAN"}
RESULT_CAPTION = "After epoch {epoch}, {size} pixels"
DOWNLOAD = "Download PNG"
NOT_THIS_WAY = "This {method} was trained for {routes} only."
TRUTH = "Truth"
TRUTH_ALT = "The true answer for this example"
TRUTH_CAPTION = "What the answer should be"
NO_EXAMPLES = "No examples for this direction: upload a picture of your own."

SHRUNK = "Your picture was shrunk from {before} to {after} pixels."
SNAPPED = "The colours were cleaned up to the 12 exact label colours."
LOOKS_LIKE_PHOTO = "This looks like a photo, not a label map."
LOOKS_LIKE_LABELS = "This looks like a label map, not a photo."
SWITCH_TO = "Switch to {route}"

WATCH_INTRO = "How good were they after one round of training, after ten, at the end? Drag the slider or press play."
WATCH_KEPT = "Your picture: the {count} epochs whose networks are kept."
WATCH_EXAMPLES = "Examples: every epoch."
WATCH_SAMPLES = "Test pictures of the training. Choose a picture to watch your own."
WATCH_SIZE = "Shown at {size} pixels, to be quick."
WATCH_LABELS = {
    "epoch": "Epoch {epoch}",
    "earlier": "as of epoch {epoch}",
    "nothing": "no picture yet",
    "choose": "Choose a picture first.",
    "play": "Play",
    "pause": "Pause",
    "speed": "Speed",
    "slider": "Epoch of training",
    "progress": "Making the pictures: {done} of {total}",
    "ready": "{total} pictures ready",
    "canvas": "Picture by {title} after epoch {epoch}",
    "losses": "{title}: losses while it learned",
    "scale": "logarithmic scale",
}

LOSS_NAMES = {
    "gan": "Fooling the discriminator",
    "discriminator": "Discriminator",
    "cycle": "There and back again",
    "identity": "Leaving alone what fits",
    "l1": "Distance to the truth",
}
"""Keys of a run's history without the domain; CycleGAN's two directions are shown as their mean."""

LABELS_ALT = "Label map of a drawn house front, number {number}"
PHOTO_ALT = "{title}'s picture of a drawn house front, number {number}"

COMPLETE = "Complete"
NO_IMAGE = "Choose a picture first."
UNKNOWN_DIRECTION = "There is no direction {direction!r}; choose one of: {choices}."
UNKNOWN_METHOD = "There is no method {method!r}; choose one of: {choices}."
UNKNOWN_EPOCH = "There is no epoch {epoch}; choose one of: {choices}."
UNEXPECTED = "Something went wrong on our side. It has been noted; please try again or use another picture."
