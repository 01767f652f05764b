"""The sentences of the page Translate."""

from cyclegan.pages.languages import Text

TAB = Text("Translate", "변환", "转换")
RUN = Text("Translate", "변환하기", "开始转换")
EPOCH = Text("Epoch of training", "학습 에포크", "训练轮次")
DEFAULT_EPOCH = Text("Default epoch", "기본 에포크", "默认轮次")
AT_EPOCH = Text("Epoch {epoch}", "{epoch} 에포크", "第 {epoch} 轮")

RESULT_CAPTION = Text(
    "After epoch {epoch}, {size} pixels", "{epoch} 에포크 학습 후, {size}픽셀", "训练 {epoch} 轮后，{size} 像素"
)
PICTURE_BY = Text("Picture by {title}", "{title}의 그림", "{title} 生成的图像")
DIVIDER = Text("Before and after {title}", "{title} 변환 전과 후", "{title} 转换前后对比")
DOWNLOAD = Text("Download PNG", "PNG 내려받기", "下载 PNG")
WITH_AGREEMENT = Text(
    "{scores} · labels right {percent} %", "{scores} · 라벨 일치 {percent} %", "{scores} · 标签正确率 {percent} %"
)
OWN_TRUTH = Text("Compare with the true answer", "정답과 비교하기", "与真实图像对比")
OWN_TRUTH_HINT = Text(
    "Do you know what should come out? Put it here, and the results are scored: L1 is the mean difference of the "
    "pixels, SSIM how alike the structures are. A photo and its label map side by side in one picture work as well.",
    "나와야 할 결과를 알고 있나요? 여기에 올리면 점수를 계산합니다. L1은 픽셀의 평균 차이, SSIM은 구조의 유사도입니다. "
    "사진과 라벨 맵이 나란히 붙은 그림을 올려도 됩니다.",
    "知道应得的结果吗？放到这里即可打分：L1 是像素的平均差异，SSIM 是结构相似度。"
    "也可以直接上传照片与标签图并排的图片。",
)
OWN_TRUTH_ALT = Text("The true answer that you gave", "직접 올린 정답", "你提供的真实图像")
TRUTH_IS_ANOTHER = Text(
    "What you gave as the truth does not look like this: {domain}. It is not compared.",
    "올린 정답이 ‘{domain}’ 그림으로 보이지 않아 비교하지 않았습니다.",
    "你提供的真实图像看起来不是“{domain}”，因此未进行对比。",
)
TRUTH_HAS_ANOTHER_SHAPE = Text(
    "The truth of {truth} pixels has another shape than the picture of {picture}. It is not compared.",
    "정답({truth}픽셀)의 비율이 그림({picture})과 달라 비교하지 않았습니다.",
    "真实图像（{truth} 像素）与图片（{picture}）的比例不同，因此未进行对比。",
)
TRUTH = Text("Truth", "정답", "真实图像")
TRUTH_ALT = Text("The true answer", "정답 그림", "应得结果的真实图像")
TRUTH_CAPTION = Text(
    "## Truth\nWhat the answer should be\n\nL1: 0 is best. SSIM: 1 is best.",
    "## 정답\n나와야 하는 결과\n\nL1은 0, SSIM은 1이 가장 좋습니다.",
    "## 真实图像\n应得的结果\n\nL1 越接近 0 越好，SSIM 越接近 1 越好。",
)
