"""The sentences that all pages share; each page has its own beside it: `translate/texts.py`, `watch/texts.py`, ...

To add a text: write it in the `*texts.py` of its page as a constant, a `Text` with all three languages, or as an entry
of a dict of them; take placeholders over by name, `{count}`. Then

- labels, captions, alt texts: `texts.DIRECTION.to(self.language)`, the language that the page was built in;
- values in it: `texts.SHRUNK.format(before=..., after=...)`, a `Text` again; values may be `Text`s themselves;
- words of a custom component: `translated(watch_texts.LABELS, language)` as one of its props;
- what went wrong: `raise Refusal(texts.NO_IMAGE)`, anywhere below a handler
  (`cyclegan.pages.errors`), which shows it in the language of the page; `warn(text, language)` for what goes on.

tests/test_languages.py finds every `*texts.py` by itself: it checks that none is missing and placeholders agree, and
that a page shows words of one language only.
"""

from cyclegan.images import io as images
from cyclegan.images.io import Fault
from cyclegan.pages.languages import Text

TITLE = Text.same("CycleGAN & pix2pix")
INTRO_ONE = Text(
    "A neural network that turns one kind of picture into another.",
    "한 종류의 그림을 다른 종류로 바꾸는 신경망입니다.",
    "将一类图像转换为另一类图像的神经网络。",
)
INTRO_MANY = Text(
    "Neural networks that turn one kind of picture into another, side by side.",
    "한 종류의 그림을 다른 종류로 바꾸는 신경망들을 나란히 비교해 보세요.",
    "将一类图像转换为另一类图像的神经网络，并排对比。",
)
METHOD_INTROS = {
    "cyclegan": Text(
        "**CycleGAN** learned from two piles of pictures that do not belong together.",
        "**CycleGAN**은 서로 짝이 없는 두 묶음의 그림으로 학습했습니다.",
        "**CycleGAN** 使用两组互不配对的图像学习。",
    ),
    "pix2pix": Text(
        "**pix2pix** learned from matching pairs.",
        "**pix2pix**는 서로 짝을 이룬 그림으로 학습했습니다.",
        "**pix2pix** 使用成对的图像学习。",
    ),
}
INTRO_EXAMPLES = Text(
    "Click an example or bring your own picture.",
    "예시를 누르거나 직접 그림을 올려 보세요.",
    "点击示例，或上传自己的图片。",
)
INTRO_OWN = Text("Bring your own picture.", "직접 그림을 올려 보세요.", "请上传自己的图片。")
NOISE_INTRO = Text(
    "A neural network that learned to make pictures out of noise: here always out of the same noise.",
    "노이즈에서 그림을 만들도록 학습한 신경망입니다. 여기서는 항상 같은 노이즈를 사용합니다.",
    "学会从噪声生成图像的神经网络：这里始终使用同一噪声。",
)

LANGUAGE = Text("Language", "언어", "语言")
YOUR_PICTURE = Text("Your picture", "내 그림", "你的图片")
YOUR_PICTURE_ALT = Text("The picture that is translated", "변환할 그림", "要转换的图片")
UPLOAD_PLACEHOLDER = Text(
    "Drop a picture here\n- or -\nClick to choose one",
    "여기에 그림을 끌어다 놓거나\n- 또는 -\n눌러서 선택하세요",
    "将图片拖到这里\n- 或 -\n点击选择图片",
)
DIRECTION = Text("Direction", "변환 방향", "转换方向")
EXAMPLES = Text("Examples", "예시", "示例")
NO_EXAMPLES = Text(
    "No examples for this direction: upload a picture of your own.",
    "이 방향에는 예시가 없습니다. 직접 그림을 올려 주세요.",
    "此方向没有示例：请上传自己的图片。",
)
LABELS_ALT = Text(
    "Label map of a drawn house front, number {number}",
    "그려 낸 건물 정면의 라벨 맵 {number}번",
    "绘制的建筑立面标签图，第 {number} 张",
)
PHOTO_ALT = Text(
    "{title}'s picture of a drawn house front, number {number}",
    "{title}의 건물 정면 그림 {number}번",
    "{title} 生成的建筑立面图，第 {number} 张",
)

METHOD_NAMES = {"cyclegan": "CycleGAN", "pix2pix": "pix2pix", "gan": "GAN"}
"""Proper names: the same in every language, and what programs choose a method by."""
DOMAIN_NAMES = {
    "labels": Text("Labels", "라벨", "标签"),
    "photo": Text("Photo", "사진", "照片"),
    "drawing": Text("Drawing", "선화", "线稿"),
    "emoji": Text("Emoji", "이모지", "表情符号"),
}
"""Public names of the domains of the shipped runs; those of other runs are shown as they are."""
ROUTE = Text.same("{source} → {target}")
NOT_THIS_WAY = Text(
    "This {method} was trained for {routes} only.",
    "이 {method} 모델은 {routes} 방향으로만 학습되었습니다.",
    "此 {method} 模型只针对“{routes}”方向训练。",
)

NOT_YET = Text(
    "{title} is still in training: its first networks come after epoch {epoch}.",
    "{title}은(는) 아직 학습 중입니다. 첫 신경망은 {epoch} 에포크 뒤에 나옵니다.",
    "{title} 仍在训练中：第 {epoch} 轮之后才有第一个网络。",
)
RUN_GONE = Text(
    "The folder of {title} was moved, deleted or replaced while the app was running: start the app again to show it.",
    "앱이 실행되는 동안 {title} 폴더가 옮겨지거나 삭제되거나 교체되었습니다. 다시 보려면 앱을 다시 시작해 주세요.",
    "应用运行期间，{title} 的文件夹被移动、删除或替换：请重新启动应用。",
)
DAMAGED_NETWORKS = Text(
    "The files of {title} after epoch {epoch} are damaged, so it cannot translate: whoever runs this app must copy or "
    "train it again.",
    "{title}의 {epoch} 에포크 파일이 손상되어 변환할 수 없습니다. 앱 운영자가 다시 복사하거나 학습해야 합니다.",
    "{title} 第 {epoch} 轮的文件已损坏，无法转换：需要由运行本应用的人重新复制或训练。",
)
SHRUNK = Text(
    "Your picture was shrunk from {before} to {after} pixels.",
    "그림을 {before}에서 {after}픽셀로 줄였습니다.",
    "图片已从 {before} 缩小到 {after} 像素。",
)
PAIR = Text(
    "This was a pair: one half is your picture now, and the other one its truth.",
    "짝을 이룬 그림이라 반쪽은 내 그림으로, 다른 반쪽은 정답으로 나누었습니다.",
    "这是一对并排图像：一半作为你的图片，另一半作为真实图像。",
)
SNAPPED = Text(
    "The colours were cleaned up to the 12 exact label colours.",
    "색상을 정확한 12가지 라벨 색으로 정리했습니다.",
    "颜色已校正为 12 种标准标签颜色。",
)
EXAMPLE_ALT = Text("Example {number}", "예시 {number}", "示例 {number}")
LOOKS_LIKE_PHOTO = Text(
    "This looks like a photo, not a label map.",
    "라벨 맵이 아니라 사진인 것 같습니다.",
    "这看起来是照片，而不是标签图。",
)
NEARLY_BLACK = Text(
    "Your picture is nearly black: its values are {low} to {high}. If these are class ids, give each class its colour.",
    "이미지가 거의 검은색입니다. 값의 범위는 {low}~{high}입니다. 클래스 번호라면 클래스마다 색을 지정해 주세요.",
    "图片几乎全黑，数值范围为 {low} 到 {high}。如果这些是类别编号，请为每个类别指定颜色。",
)
LOOKS_LIKE_LABELS = Text(
    "This looks like a label map, not a photo.",
    "사진이 아니라 라벨 맵인 것 같습니다.",
    "这看起来是标签图，而不是照片。",
)
SWITCH_TO = Text("Switch to {route}", "{route} 방향으로 바꾸기", "切换为“{route}”")

NO_IMAGE = Text("Choose a picture first.", "먼저 그림을 선택해 주세요.", "请先选择图片。")
UNKNOWN_DIRECTION = Text(
    "There is no direction {direction!r}; choose one of: {choices}.",
    "{direction!r} 방향은 없습니다. 다음 중에서 선택해 주세요: {choices}.",
    "没有 {direction!r} 这一方向；请从以下选择：{choices}。",
)
UNKNOWN_METHOD = Text(
    "There is no method {method!r}; choose one of: {choices}.",
    "{method!r} 방법은 없습니다. 다음 중에서 선택해 주세요: {choices}.",
    "没有 {method!r} 这一方法；请从以下选择：{choices}。",
)
UNKNOWN_EPOCH = Text(
    "There is no epoch {epoch}; choose one of: {choices}.",
    "{epoch} 에포크는 없습니다. 다음 중에서 선택해 주세요: {choices}.",
    "没有第 {epoch} 轮；请从以下选择：{choices}。",
)
TOO_MUCH = Text(
    "This is more than {limit} MB: send less at once.",
    "{limit}MB보다 큽니다. 나누어 보내 주세요.",
    "超过了 {limit} MB：请分几次发送。",
)
UPLOAD_FIRST = Text(
    "This is more than {limit} MB: upload pictures first (handle_file of gradio_client does), or send a smaller one.",
    "{limit}MB보다 큽니다. 이미지를 먼저 업로드하거나(gradio_client의 handle_file) 더 작은 이미지를 보내 주세요.",
    "超过了 {limit} MB：请先上传图片（gradio_client 的 handle_file），或发送较小的图片。",
)
FORGOTTEN = Text(
    "The app no longer knows this page: many people were here since, or it was started anew. Please reload the page.",
    "그동안 이용자가 많았거나 앱이 다시 시작되어 이 페이지를 더 이상 알지 못합니다. 페이지를 새로고침해 주세요.",
    "此后来过很多人，或应用已重新启动，它已不认识这个页面。请刷新页面。",
)
UNEXPECTED = Text(
    "Something went wrong on our side. It has been noted; please try again or use another picture.",
    "저희 쪽에서 문제가 발생했습니다. 기록해 두었으니 다시 시도하거나 다른 그림을 사용해 주세요.",
    "我们这边出了点问题，已记录下来；请重试或换一张图片。",
)

BUSY = Text(
    "Many people are here right now. Please try again in a few seconds.",
    "지금 이용자가 많습니다. 잠시 후 다시 시도해 주세요.",
    "当前使用人数较多，请稍后再试。",
)
GRADIO_WORDS = {
    "common.complete": Text("Complete", "완료", "完成"),  # the key itself is read out
    "processing |": Text("working |", "처리 중 |", "处理中 |"),
    "queue:": Text("in line:", "대기 순서:", "排队："),
    "This application is currently busy. Please try again.": BUSY,
    "Connection to the server was lost. Attempting reconnection...": Text(
        "The connection was lost; trying to get it back.",
        "연결이 끊겨 다시 연결하고 있습니다.",
        "连接已断开，正在重新连接。",
    ),
    "File(s) exceed the maximum allowed size of": Text(
        "This file is too large. The limit is", "파일이 너무 큽니다. 최대 크기는", "文件过大。上限为"
    ),
    "Error": Text("Sorry", "죄송합니다", "抱歉"),
    "Warning": Text("Note", "안내", "提示"),
    "Info": Text("Note", "안내", "提示"),
    "Close": Text("Close", "닫기", "关闭"),
    "Fullscreen": Text("Fullscreen", "전체 화면", "全屏"),
    "Exit fullscreen mode": Text("Exit fullscreen", "전체 화면 종료", "退出全屏"),
    "undo": Text("Back to the middle", "가운데로 되돌리기", "回到中间"),
    "Remove Image": Text("Remove picture", "그림 지우기", "移除图片"),
    "Click to upload or drop files": Text(
        "Click to choose files, or drop them here",
        "클릭하여 파일을 고르거나 여기에 놓으세요",
        "点击选择文件，或拖放到此处",
    ),
    "Upload file": Text("Upload a picture", "그림 올리기", "上传图片"),
    "Empty value": Text("Nothing to show yet", "아직 표시할 내용이 없습니다", "暂无内容"),
    "Paste from clipboard": Text("Paste from clipboard", "클립보드에서 붙여넣기", "从剪贴板粘贴"),
    "Gradio footer navigation": Text("Footer", "바닥글", "页脚"),
}
"""What Gradio 6.31 shows or reads out in English only, up to the first digit, and what to say instead;
see `language.js`."""

PICTURE_FAULTS: dict[Fault, Text] = {
    "format": Text(
        "Your picture is not an image this program can read; use PNG, JPEG or WebP.",
        "읽을 수 없는 그림 파일입니다. PNG, JPEG 또는 WebP를 사용해 주세요.",
        "无法读取这个图片文件；请使用 PNG、JPEG 或 WebP。",
    ),
    "size": Text(
        f"Your picture has too many pixels; the limit is {images.MAX_MEGAPIXELS} megapixels, "
        f"and {images.MAX_SIDE:,} pixels a side: make it smaller.",
        f"그림의 픽셀이 너무 많습니다. 최대 {images.MAX_MEGAPIXELS}메가픽셀, "
        f"한 변은 최대 {images.MAX_SIDE:,}픽셀까지 가능하니 줄여서 올려 주세요.",
        f"图片像素过多，上限为 {images.MAX_MEGAPIXELS} 百万像素，单边最多 {images.MAX_SIDE:,} 像素；请缩小后再上传。",
    ),
    "empty": Text("Your picture has no pixels.", "픽셀이 없는 그림입니다.", "图片不含任何像素。"),
    "missing": Text(
        "Your picture is no longer there; please upload it again.",
        "그림을 더 이상 찾을 수 없습니다. 다시 올려 주세요.",
        "图片已不存在；请重新上传。",
    ),
    "damaged": Text(
        "Your picture is damaged or incomplete and cannot be read.",
        "그림이 손상되었거나 완전하지 않아 읽을 수 없습니다.",
        "图片已损坏或不完整，无法读取。",
    ),
    "float": Text(
        "Your picture holds floating-point values; save it with 8 or 16 bits a channel.",
        "그림에 부동소수점 값이 들어 있습니다. 채널당 8비트 또는 16비트로 저장해 주세요.",
        "图片包含浮点数值；请以每通道 8 位或 16 位保存。",
    ),
}
"""What can be wrong with a visitor's picture, by the faults of `cyclegan.images.io`."""
