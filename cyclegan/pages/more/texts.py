"""The sentences of the page More, and of its page About."""

from cyclegan.pages.languages import Text

TAB = Text("More", "더 보기", "更多")

ABOUT_TAB = Text("About", "소개", "关于")
ABOUT = Text(
    """\
### What you see here

Two classic networks that turn one kind of picture into another, side by side, and every epoch of their training.

- **pix2pix** learned from pairs: a label map, and the photo that belongs to it. It knows what the answer should be.
- **CycleGAN** learned from two piles of pictures without pairs. It knows only that going there and back again should
  end where it began.

The label maps of the examples were drawn by this program; their photos were made by the networks. Nothing that you
upload leaves the computer on which this app runs.""",
    """\
### 무엇을 볼 수 있나요

한 종류의 그림을 다른 종류로 바꾸는 두 대표적인 신경망을 나란히 놓고, 학습의 모든 에포크를 보여 줍니다.

- **pix2pix**는 라벨 맵과 그에 맞는 사진의 짝으로 학습했습니다. 정답이 무엇인지 압니다.
- **CycleGAN**은 짝이 없는 두 묶음의 그림으로 학습했습니다. 갔다가 되돌아오면 처음과 같아야 한다는 것만 압니다.

예시의 라벨 맵은 이 프로그램이 그렸고, 사진은 신경망이 만들었습니다. 올린 그림은 이 앱이 실행되는
컴퓨터를 벗어나지 않습니다.""",
    """\
### 你看到的是什么

两种将一类图像转换为另一类图像的经典网络，并排展示，并包含训练的每一个轮次。

- **pix2pix** 使用成对的图像学习：标签图和与之对应的照片。它知道正确答案是什么。
- **CycleGAN** 使用两组互不配对的图像学习。它只知道：往返一次应回到起点。

示例中的标签图由本程序绘制，照片由网络生成。你上传的内容不会离开运行此应用的计算机。""",
)
CITE = Text("### Cite", "### 인용", "### 引用")
DATA = Text(
    "The runs that come with the app were trained on the CMP Facade Database: Tyleček, Šára, *Spatial Pattern "
    "Templates for Recognition of Objects with Regular Structure*, GCPR 2013.",
    "앱에 들어 있는 학습 결과는 CMP Facade Database로 학습했습니다: Tyleček, Šára, *Spatial Pattern Templates "
    "for Recognition of Objects with Regular Structure*, GCPR 2013.",
    "应用自带的训练结果使用 CMP Facade Database 训练：Tyleček, Šára, *Spatial Pattern Templates "
    "for Recognition of Objects with Regular Structure*, GCPR 2013.",
)
