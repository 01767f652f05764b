"""Every sentence that a visitor reads, in one place."""

TITLE = "CycleGAN and pix2pix"
INTRO = (
    "Two neural networks that turn one kind of picture into another, side by side. **CycleGAN** learned from two "
    "piles of pictures that do not belong together, **pix2pix** from matching pairs. "
    "Click an example or bring your own picture."
)
NOISE_INTRO = "A neural network that learned to make pictures out of noise: here always out of the same noise."

YOUR_PICTURE = "Your picture"
YOUR_PICTURE_ALT = "The picture that is translated"
UPLOAD_PLACEHOLDER = "Drop a picture here\n- or -\nClick to choose one"
DIRECTION = "Direction"
EXAMPLES = "Examples"
TRANSLATE_BUTTON = "Translate"

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
WATCH_SIZE = "Shown at {size} pixels, to be quick."
WATCH_LABELS = {
    "epoch": "Epoch {epoch}",
    "earlier": "epoch {epoch}, the nearest earlier picture",
    "nothing": "no picture yet",
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
PHOTO_ALT = "pix2pix's picture of a drawn house front, number {number}"

NO_IMAGE = "Choose a picture first: upload one or click an example."
UNKNOWN_DIRECTION = "There is no direction {direction!r}; choose one of: {choices}."
UNKNOWN_METHOD = "There is no method {method!r}; choose one of: {choices}."
UNKNOWN_EPOCH = "There is no epoch {epoch}; choose one of: {choices}."
UNEXPECTED = "Something went wrong on our side. It has been noted; please try again or use another picture."
