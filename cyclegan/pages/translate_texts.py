"""The sentences of the page Translate."""

from cyclegan.pages.languages import Text

TAB = Text("Translate", "변환", "转换")
RUN = Text("Translate", "변환하기", "开始转换")
EPOCH = Text("Epoch of training", "학습 에포크", "训练轮次")
NEWEST_EPOCH = Text("Last epoch", "마지막 에포크", "最后一轮")
AT_EPOCH = Text("Epoch {epoch}", "{epoch} 에포크", "第 {epoch} 轮")

RESULT_CAPTION = Text(
    "After epoch {epoch}, {size} pixels", "{epoch} 에포크 학습 후, {size}픽셀", "训练 {epoch} 轮后，{size} 像素"
)
DOWNLOAD = Text("Download PNG", "PNG 내려받기", "下载 PNG")
TRUTH = Text("Truth", "정답", "真实图像")
TRUTH_ALT = Text("The true answer for this example", "이 예시의 정답", "此示例的标准答案")
TRUTH_CAPTION = Text("### Truth\nWhat the answer should be", "### 정답\n나와야 하는 결과", "### 真实图像\n应得的结果")
